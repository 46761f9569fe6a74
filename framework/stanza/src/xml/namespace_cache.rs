//! The namespaces that this thread has parsed lately. The same few occur in every stanza, and each
//! would cost two allocations.

use std::cell::RefCell;

use rxml::Namespace;

const SLOTS: usize = 64;
/// Longer namespaces are not kept: a sender may choose them.
const MAX_LENGTH: usize = 128;

/// The absent namespace, at an address that can be read. The constant of `rxml` is a dangling
/// pointer, as of every empty literal, and the vectorized `memcmp` of glibc reads zero bytes there:
/// the CPU suppresses the fault, which takes 150 ns for each comparison in a map of attributes.
pub(crate) const NONE: Namespace<'static> = Namespace::from_str("none".split_at(0).0);

thread_local! {
    static RECENT: RefCell<[Namespace<'static>; SLOTS]> =
        const { RefCell::new([const { NONE }; SLOTS]) };
}

/// Returns a namespace, shared with earlier ones of the same name if possible.
pub(super) fn namespace(name: &str) -> Namespace<'static> {
    if name.len() > MAX_LENGTH {
        return Namespace::from(name.to_owned());
    }
    RECENT.with_borrow_mut(|recent| {
        let kept = &mut recent[slot(name)];
        if *kept != *name {
            *kept = Namespace::from(name.to_owned());
        }
        kept.clone()
    })
}

/// Namespaces differ in length or at their end. Two of them in one slot replace each other.
fn slot(name: &str) -> usize {
    let end = name.as_bytes().iter().rev().take(8);
    let hash = end.fold(name.len(), |hash, &byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    hash % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_is_the_given_one_also_if_slots_collide() {
        for _ in 0..2 {
            for n in 0..10 * SLOTS {
                let name = format!("urn:{n}");
                assert_eq!(namespace(&name), *name);
            }
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(namespace(&long), *long);
        assert_eq!(namespace(""), Namespace::NONE);
    }
}
