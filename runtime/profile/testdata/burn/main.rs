// A program that burns fuel in three functions: 60, 30 and 10 hundredths of it. Its
// input is a letter for each function that is called, and the number of turns.
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

static SINK: AtomicU32 = AtomicU32::new(0);

#[inline(never)]
fn parse_price(turns: u32) -> u32 {
    (0..turns).fold(turns, |x, i| (x ^ x >> 7).wrapping_mul(1664525).wrapping_add(i))
}

#[inline(never)]
fn checksum(turns: u32) -> u32 {
    (0..turns).fold(turns, |x, i| (x ^ x >> 7).wrapping_mul(22695477).wrapping_add(i))
}

#[inline(never)]
fn render(turns: u32) -> u32 {
    (0..turns).fold(turns, |x, i| (x ^ x >> 7).wrapping_mul(1103515245).wrapping_add(i))
}

fn main() {
    let mut input = [0; 32];
    let n = std::io::stdin().read(&mut input).unwrap();
    let digits = input[..n].iter().filter(|c| c.is_ascii_digit());
    let turns = digits.fold(0, |turns, c| turns * 10 + (c - b'0') as u32);
    for c in &input[..n] {
        let x = match c {
            b'p' => parse_price(6 * turns),
            b'c' => checksum(3 * turns),
            b'r' => render(turns),
            _ => 0,
        };
        SINK.fetch_add(x, Ordering::Relaxed);
    }
}
