use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasher;

use crate::host;

/// Fills memory at random: from the server in a call, and the same for all calls in `init`. It is good
/// enough for keys.
pub fn fill(to: &mut [u8]) {
    if !to.is_empty() {
        host::random(to);
    }
}

/// A generator of random numbers, seeded by the server: xoshiro256++ by Blackman and Vigna,
/// <https://prng.di.unimi.it>. It is for games and samples, not for keys, which are [`fill`]'s.
///
/// One that is made in a handler gives other numbers in each call. One that is made in `init` gives the same in
/// every call, unless `resume` makes it anew:
///
/// ```
/// use std::cell::RefCell;
///
/// thread_local!(static DICE: RefCell<prism::Rng> = RefCell::new(prism::Rng::new()));
///
/// fn reseed() {
///     DICE.with(|dice| *dice.borrow_mut() = prism::Rng::new());
/// }
///
/// fn roll(_: &[u8]) -> Result<String, String> {
///     Ok(DICE.with(|dice| 1 + dice.borrow_mut().below(6)).to_string())
/// }
///
/// prism::plugin! { resume: reseed, "handle" => roll }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator with a seed of the server's.
    #[allow(clippy::new_without_default)] // it draws a seed each time, which a default should not
    pub fn new() -> Rng {
        let mut seed = [0; 32];
        fill(&mut seed);
        Rng::with_seed(seed)
    }

    /// A generator that gives the same numbers wherever it has the same seed.
    pub fn with_seed(seed: [u8; 32]) -> Rng {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            for (i, byte) in bytes.iter().enumerate() {
                *word |= u64::from(*byte) << (8 * i);
            }
        }
        if state == [0; 4] {
            state[0] = 1; // the one state it would not leave
        }
        Rng { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number from 0 up to, but without, bound, each as likely as the others. It panics when bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "prism: there is no number below 0");
        // Lemire, "Fast Random Integer Generation in an Interval", 2019: the few draws that would
        // favour some numbers are thrown away.
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number from 0 up to, but without, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Keys for a map's hashes that are anew for each map, whatever `init` did:
///
/// ```
/// use std::collections::HashMap;
///
/// let mut counts: HashMap<&str, u64, prism::RandomState> = HashMap::default();
/// *counts.entry("a").or_default() += 1;
/// ```
///
/// The standard library draws its keys once, for the first map, and counts from there. If that first map
/// is of a call, keys differ from call to call; if `init` made one, all calls have the same, and who can read
/// the module can choose keys that collide. On wasm32-unknown-unknown they are constants. A map that itself
/// lives in the image keeps its keys, necessarily, with this as with any.
#[derive(Clone, Debug)]
pub struct RandomState {
    key: [u64; 2],
}

impl RandomState {
    /// Keys of the server's.
    pub fn new() -> RandomState {
        let mut drawn = [0; 16];
        fill(&mut drawn);
        let drawn = u128::from_le_bytes(drawn);
        RandomState { key: [drawn as u64, (drawn >> 64) as u64] }
    }
}

impl Default for RandomState {
    fn default() -> RandomState {
        RandomState::new()
    }
}

/// What [`RandomState`] hashes with: the standard library's hasher, to which the key was fed first.
pub type Hasher = DefaultHasher;

impl BuildHasher for RandomState {
    type Hasher = Hasher;

    fn build_hasher(&self) -> Hasher {
        use std::hash::Hasher as _;
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.key[0]);
        hasher.write_u64(self.key[1]);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn seed(words: [u64; 4]) -> [u8; 32] {
        let mut seed = [0; 32];
        for (to, word) in seed.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        seed
    }

    // The numbers are those of the authors' C program.
    #[test]
    fn it_is_the_published_generator() {
        let mut rng = Rng::with_seed(seed([1, 2, 3, 4]));
        for want in [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386] {
            assert_eq!(rng.next_u64(), want);
        }
    }

    #[test]
    fn a_seed_of_zeros_is_no_dead_end() {
        let mut rng = Rng::with_seed([0; 32]);
        assert!((0..8).any(|_| rng.next_u64() > 1 << 32));
    }

    #[test]
    fn generators_are_not_alike() {
        assert_ne!(Rng::new().next_u64(), Rng::new().next_u64());
    }

    #[test]
    fn numbers_below_a_bound_are_all_drawn_and_no_others() {
        let mut rng = Rng::with_seed(seed([1, 2, 3, 4]));
        let mut drawn = [0; 6];
        for _ in 0..6_000 {
            drawn[rng.below(6) as usize] += 1;
        }
        assert!(drawn.iter().all(|n| (850..1_150).contains(n)), "{:?}", drawn);
        assert_eq!(rng.below(1), 0);
        assert!((0..100).all(|_| rng.below(u64::MAX) < u64::MAX));
        assert!((0..100).all(|_| (0.0..1.0).contains(&rng.unit())));
    }

    #[test]
    fn memory_is_filled_whole() {
        let mut filled = [0; 64];
        fill(&mut filled[1..]);
        assert!(filled[0] == 0 && filled[1..].iter().filter(|b| **b == 0).count() < 8, "{:?}", filled);
        fill(&mut []);
    }

    #[test]
    fn maps_work_and_hash_each_in_its_own_way() {
        let (a, b) = (RandomState::new(), RandomState::new());
        let hash = |state: &RandomState| {
            use std::hash::Hasher as _;
            let mut hasher = state.build_hasher();
            hasher.write(b"key");
            hasher.finish()
        };
        assert_eq!(hash(&a), hash(&a.clone()));
        assert_ne!(hash(&a), hash(&b));
        let map: HashMap<u32, u32, RandomState> = (0..100).map(|n| (n, n * n)).collect();
        assert_eq!(map.get(&9), Some(&81));
    }
}
