//! Values as bytes (postcard): one encoding for each value, and no copies of secrets left behind.

use serde::{de::DeserializeOwned, Serialize};
use zeroize::Zeroizing;

/// Counts what would be written.
struct Count(usize);

impl Extend<u8> for Count {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0 += bytes.into_iter().count();
    }
}

/// Compares what would be written with what was read.
struct Compare<'a> {
    rest: &'a [u8],
    equal: bool,
}

impl Extend<u8> for Compare<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        for byte in bytes {
            match self.rest.split_first() {
                Some((&first, rest)) if first == byte => self.rest = rest,
                _ => self.equal = false,
            }
        }
    }
}

/// Append a value to `start`. The room is taken first: a vector that grows leaves its old self in freed memory.
pub(crate) fn encode<T: Serialize>(start: &[u8], value: &T) -> Result<Zeroizing<Vec<u8>>, postcard::Error> {
    let Count(length) = postcard::to_extend(value, Count(0))?;
    let mut bytes = Vec::with_capacity(start.len() + length);
    bytes.extend_from_slice(start);
    Ok(Zeroizing::new(postcard::to_extend(value, bytes)?))
}

/// Read a value that fills `bytes` and would be written as exactly these.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    let written = postcard::to_extend(&value, Compare { rest: bytes, equal: true }).ok()?;
    (rest.is_empty() && written.equal && written.rest.is_empty()).then_some(value)
}
