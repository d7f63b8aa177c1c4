use std::fmt::Display;

use serde::{de::DeserializeOwned, Serialize};

/// A handler that takes and returns JSON, made of a function on values. It is behind the feature `json`.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Order {
///     price: f64,
///     size: f64,
/// }
///
/// #[derive(serde::Serialize)]
/// struct Cost {
///     cost: f64,
/// }
///
/// fn cost(order: Order) -> Result<Cost, String> {
///     Ok(Cost { cost: order.price * order.size })
/// }
///
/// prism::plugin!(prism::json(cost));
/// # fn main() {}
/// ```
///
/// An input that is not what the function takes fails with what was expected, and at which line and column.
pub fn json<I, O, E>(function: impl FnOnce(I) -> Result<O, E>) -> impl FnOnce(&[u8]) -> Result<Vec<u8>, String>
where
    I: DeserializeOwned,
    O: Serialize,
    E: Display,
{
    move |input| {
        let value = serde_json::from_slice(input).map_err(|wrong| format!("the input is not as expected: {}", wrong))?;
        let answer = function(value).map_err(|error| error.to_string())?;
        serde_json::to_vec(&answer).map_err(|wrong| format!("the output cannot be written as JSON: {}", wrong))
    }
}
