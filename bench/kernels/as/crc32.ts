const polynomial: u32 = 0xedb88320;

function makeTable(): StaticArray<u32> {
  const table = new StaticArray<u32>(256);
  for (let i = 0; i < 256; i++) {
    let entry: u32 = i;
    for (let bit = 0; bit < 8; bit++) {
      entry = entry & 1 ? entry >> 1 ^ polynomial : entry >> 1;
    }
    table[i] = entry;
  }
  return table;
}

const table = makeTable();

/** crc32 is the checksum of Ethernet over the numbers from 0 to 1,023 as bytes, n times over. */
export function crc32(n: i32): i32 {
  const data = new Uint8Array(1024);
  for (let i = 0; i < data.length; i++) {
    data[i] = i;
  }
  let crc: u32 = ~0;
  for (let round = 0; round < n; round++) {
    for (let i = 0; i < data.length; i++) {
      crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    }
  }
  return ~crc;
}
