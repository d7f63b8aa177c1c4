/** fnv1a is the hash of Fowler, Noll and Vo over the code units of a text. */
function fnv1a(text: string): u32 {
  let hash: u32 = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = (hash ^ text.charCodeAt(i)) * 0x01000193;
  }
  return hash;
}

/** stringhash makes n keys, by putting strings together, and hashes them. */
export function stringhash(n: i32): i32 {
  let checksum: u32 = 0;
  for (let i = 0; i < n; i++) {
    checksum = checksum * 31 + fnv1a("market/" + (i % 1000).toString() + "/order/" + i.toString());
  }
  return checksum;
}
