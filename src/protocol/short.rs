//! Copies of a few bytes.

/// Payloads up to here are copied without a call: it takes longer than they do.
pub(super) const MAX_SHORT_LEN: usize = 32;

/// Copies a payload of at most [`MAX_SHORT_LEN`], in two steps that may overlap. The two are of one length.
#[inline]
pub(super) fn copy_short(out: &mut [u8], payload: &[u8]) {
    let _copied = copied_by::<16>(out, payload)
        || copied_by::<8>(out, payload)
        || copied_by::<4>(out, payload)
        || copied_by::<2>(out, payload)
        || copied_by::<1>(out, payload);
}

/// Copies `N` to `2 * N` bytes; `false`: they are fewer.
#[inline]
fn copied_by<const N: usize>(out: &mut [u8], payload: &[u8]) -> bool {
    let (Some(first), Some(last)) = (payload.first_chunk::<N>(), payload.last_chunk::<N>()) else {
        return false;
    };
    if let Some(out) = out.first_chunk_mut() {
        *out = *first;
    }
    if let Some(out) = out.last_chunk_mut() {
        *out = *last;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_each_length_is_copied() {
        let payload: Vec<u8> = (1..=33).collect();
        for len in 0..=MAX_SHORT_LEN {
            let mut out = [0; MAX_SHORT_LEN + 1];
            copy_short(&mut out[..len], &payload[..len]);
            assert_eq!(out[..len], payload[..len]);
            assert!(out[len..].iter().all(|byte| *byte == 0), "{len}");
        }
    }
}
