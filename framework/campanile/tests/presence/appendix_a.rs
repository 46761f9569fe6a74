//! The tables of RFC 6121 Appendix A: the state before, whether the stanza must be routed or
//! delivered, and the state after.
//!
//! The 54 rows of §A.2.3 to §A.3.4 were compared with the tables of RFC 3921 §9, from which they
//! come unchanged except for pre-approval. The 18 rows of §A.2.1 and §A.2.2 are new in RFC 6121,
//! which routes all of them (MUST). Pre-approval (§3.4) is optional and not supported here: where
//! §A.2.3 has it, no stanza is sent and the state does not change.

use campanile::presence::{HalfState, Subscription};
use campanile::stanza::PresenceType;

pub(crate) type Row = (&'static str, bool, &'static str);

/// §A.2: outbound stanzas.
pub(crate) const OUTBOUND: [(PresenceType, [Row; 9]); 4] = [
    (PresenceType::Subscribe, OUTBOUND_SUBSCRIBE),
    (PresenceType::Unsubscribe, OUTBOUND_UNSUBSCRIBE),
    (PresenceType::Subscribed, OUTBOUND_SUBSCRIBED),
    (PresenceType::Unsubscribed, OUTBOUND_UNSUBSCRIBED),
];

/// §A.3: inbound stanzas.
pub(crate) const INBOUND: [(PresenceType, [Row; 9]); 4] = [
    (PresenceType::Subscribe, INBOUND_SUBSCRIBE),
    (PresenceType::Unsubscribe, INBOUND_UNSUBSCRIBE),
    (PresenceType::Subscribed, INBOUND_SUBSCRIBED),
    (PresenceType::Unsubscribed, INBOUND_UNSUBSCRIBED),
];

/// §A.2.1
const OUTBOUND_SUBSCRIBE: [Row; 9] = [
    ("None", true, "None + Pending Out"),
    ("None + Pending Out", true, "None + Pending Out"),
    ("None + Pending In", true, "None + Pending Out+In"),
    ("None + Pending Out+In", true, "None + Pending Out+In"),
    ("To", true, "To"),
    ("To + Pending In", true, "To + Pending In"),
    ("From", true, "From + Pending Out"),
    ("From + Pending Out", true, "From + Pending Out"),
    ("Both", true, "Both"),
];

/// §A.2.2
const OUTBOUND_UNSUBSCRIBE: [Row; 9] = [
    ("None", true, "None"),
    ("None + Pending Out", true, "None"),
    ("None + Pending In", true, "None + Pending In"),
    ("None + Pending Out+In", true, "None + Pending In"),
    ("To", true, "None"),
    ("To + Pending In", true, "None + Pending In"),
    ("From", true, "From"),
    ("From + Pending Out", true, "From"),
    ("Both", true, "From"),
];

/// §A.2.3
const OUTBOUND_SUBSCRIBED: [Row; 9] = [
    ("None", false, "None"),
    ("None + Pending Out", false, "None + Pending Out"),
    ("None + Pending In", true, "From"),
    ("None + Pending Out+In", true, "From + Pending Out"),
    ("To", false, "To"),
    ("To + Pending In", true, "Both"),
    ("From", false, "From"),
    ("From + Pending Out", false, "From + Pending Out"),
    ("Both", false, "Both"),
];

/// §A.2.4
const OUTBOUND_UNSUBSCRIBED: [Row; 9] = [
    ("None", false, "None"),
    ("None + Pending Out", false, "None + Pending Out"),
    ("None + Pending In", true, "None"),
    ("None + Pending Out+In", true, "None + Pending Out"),
    ("To", false, "To"),
    ("To + Pending In", true, "To"),
    ("From", true, "None"),
    ("From + Pending Out", true, "None + Pending Out"),
    ("Both", true, "To"),
];

/// §A.3.1
const INBOUND_SUBSCRIBE: [Row; 9] = [
    ("None", true, "None + Pending In"),
    ("None + Pending Out", true, "None + Pending Out+In"),
    ("None + Pending In", false, "None + Pending In"),
    ("None + Pending Out+In", false, "None + Pending Out+In"),
    ("To", true, "To + Pending In"),
    ("To + Pending In", false, "To + Pending In"),
    ("From", false, "From"),
    ("From + Pending Out", false, "From + Pending Out"),
    ("Both", false, "Both"),
];

/// §A.3.2
const INBOUND_UNSUBSCRIBE: [Row; 9] = [
    ("None", false, "None"),
    ("None + Pending Out", false, "None + Pending Out"),
    ("None + Pending In", true, "None"),
    ("None + Pending Out+In", true, "None + Pending Out"),
    ("To", false, "To"),
    ("To + Pending In", true, "To"),
    ("From", true, "None"),
    ("From + Pending Out", true, "None + Pending Out"),
    ("Both", true, "To"),
];

/// §A.3.3
const INBOUND_SUBSCRIBED: [Row; 9] = [
    ("None", false, "None"),
    ("None + Pending Out", true, "To"),
    ("None + Pending In", false, "None + Pending In"),
    ("None + Pending Out+In", true, "To + Pending In"),
    ("To", false, "To"),
    ("To + Pending In", false, "To + Pending In"),
    ("From", false, "From"),
    ("From + Pending Out", true, "Both"),
    ("Both", false, "Both"),
];

/// §A.3.4
const INBOUND_UNSUBSCRIBED: [Row; 9] = [
    ("None", false, "None"),
    ("None + Pending Out", true, "None"),
    ("None + Pending In", false, "None + Pending In"),
    ("None + Pending Out+In", true, "None + Pending In"),
    ("To", true, "None"),
    ("To + Pending In", true, "None + Pending In"),
    ("From", false, "From"),
    ("From + Pending Out", true, "From"),
    ("Both", true, "From"),
];

/// §A.1
pub(crate) fn states() -> impl Iterator<Item = Subscription> {
    let halves = [HalfState::None, HalfState::Pending, HalfState::Subscribed];
    halves
        .into_iter()
        .flat_map(move |to| halves.map(|from| Subscription { to, from }))
}

pub(crate) fn named(name: &str) -> Subscription {
    states().find(|state| state.to_string() == name).unwrap()
}

/// Checks every row of a table. Failures are reported at the line of the caller.
#[track_caller]
fn check_table(table: [Row; 9], step: impl Fn(Subscription) -> Option<Subscription>) {
    let mut missing: Vec<_> = states().collect();
    for (before, passes, after) in table {
        let wanted = passes.then(|| named(after));
        assert_eq!(step(named(before)), wanted, "{before}");
        assert!(passes || before == after, "{before}");
        missing.retain(|state| *state != named(before));
    }
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn outbound_subscribe() {
    check_table(OUTBOUND_SUBSCRIBE, |state| {
        state.outbound(PresenceType::Subscribe)
    });
}

#[test]
fn outbound_unsubscribe() {
    check_table(OUTBOUND_UNSUBSCRIBE, |state| {
        state.outbound(PresenceType::Unsubscribe)
    });
}

#[test]
fn outbound_subscribed() {
    check_table(OUTBOUND_SUBSCRIBED, |state| {
        state.outbound(PresenceType::Subscribed)
    });
}

#[test]
fn outbound_unsubscribed() {
    check_table(OUTBOUND_UNSUBSCRIBED, |state| {
        state.outbound(PresenceType::Unsubscribed)
    });
}

#[test]
fn inbound_subscribe() {
    check_table(INBOUND_SUBSCRIBE, |state| {
        state.inbound(PresenceType::Subscribe)
    });
}

#[test]
fn inbound_unsubscribe() {
    check_table(INBOUND_UNSUBSCRIBE, |state| {
        state.inbound(PresenceType::Unsubscribe)
    });
}

#[test]
fn inbound_subscribed() {
    check_table(INBOUND_SUBSCRIBED, |state| {
        state.inbound(PresenceType::Subscribed)
    });
}

#[test]
fn inbound_unsubscribed() {
    check_table(INBOUND_UNSUBSCRIBED, |state| {
        state.inbound(PresenceType::Unsubscribed)
    });
}

#[test]
fn other_presence_changes_nothing() {
    for kind in [
        PresenceType::Available,
        PresenceType::Unavailable,
        PresenceType::Probe,
        PresenceType::Error,
    ] {
        for state in states() {
            assert_eq!((state.outbound(kind), state.inbound(kind)), (None, None));
        }
    }
}
