const count = 2000;

/** sort sorts n arrays in descending order, by a function that compares. */
export function sort(n: i32): i32 {
  const values = new StaticArray<u32>(count);
  let random: u32 = 1;
  let checksum: u32 = 0;
  for (let round = 0; round < n; round++) {
    for (let i = 0; i < count; i++) {
      // Marsaglia, "Xorshift RNGs", 2003.
      random ^= random << 13;
      random ^= random >> 17;
      random ^= random << 5;
      values[i] = random;
    }
    values.sort((a, b) => <i32>(a < b) - <i32>(a > b));
    for (let i = 0; i < count; i++) {
      checksum = checksum * 31 + values[i];
    }
  }
  return checksum;
}
