//! Panics of code that the library calls, as texts.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a function, and returns the message of its panic as an error.
///
/// After a panic, state that the function was changing may be inconsistent: drop it, or use only
/// types that tolerate this.
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
