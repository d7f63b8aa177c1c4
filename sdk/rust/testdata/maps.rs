//! Maps is a plugin without init. The server's tests build it.

use std::collections::HashMap;

prism::plugin!(order);

/// Answers the order in which a map of the standard library has its keys.
fn order(_: &[u8]) -> Result<String, String> {
    let map: HashMap<u32, ()> = (0..100).map(|n| (n, ())).collect();
    Ok(format!("{:?}", map.keys()))
}
