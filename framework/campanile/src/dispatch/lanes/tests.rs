use super::*;
use crate::stanza::{Kind, MessageType};

fn stanza(id: &str) -> Arc<Stanza> {
    Arc::new(Stanza::new(Kind::Message(MessageType::Chat)).with_id(id))
}

fn keys(sender: u64, lane: u64) -> Keys {
    Keys {
        lane: sender * 1000 + lane,
        sender,
        domain: sender,
    }
}

fn order(lanes: &mut Lanes, limits: &Limits) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some((keys, stanza)) = lanes.next(limits) {
        ids.push(stanza.id().unwrap_or_default().to_owned());
        lanes.done(keys, stanza.weight(), limits);
    }
    ids
}

#[test]
fn senders_alternate_and_lanes_keep_their_order() {
    let mut lanes = Lanes::default();
    let limits = Limits::default();
    for (sender, lane, id) in [
        (1, 0, "a1"),
        (1, 0, "a2"),
        (1, 1, "b1"),
        (1, 2, "c1"),
        (2, 0, "x1"),
        (2, 0, "x2"),
    ] {
        lanes.wait(keys(sender, lane), stanza(id), &limits).unwrap();
    }
    assert_eq!(
        order(&mut lanes, &limits),
        ["a1", "x1", "b1", "x2", "c1", "a2"]
    );
    assert_eq!((lanes.waiting, lanes.bytes), (0, 0));
    assert!(lanes.lanes.is_empty() && lanes.senders.is_empty() && lanes.run_queue.is_empty());
}

#[test]
fn lane_can_contain_several_senders() {
    let mut lanes = Lanes::default();
    let limits = Limits::default();
    let keys = |sender| Keys {
        lane: 7,
        sender,
        domain: sender % 2,
    };
    lanes.start(keys(1), 0);
    for (sender, id) in [(1, "a"), (2, "b"), (1, "c"), (3, "d")] {
        lanes.wait(keys(sender), stanza(id), &limits).unwrap();
    }
    lanes.done(keys(1), 0, &limits);
    assert_eq!(order(&mut lanes, &limits), ["a", "b", "c", "d"]);
    assert!(lanes.is_empty() && lanes.lanes.is_empty() && lanes.run_queue.is_empty());
}

#[test]
fn busy_lane_queues_and_sender_is_limited_to_a_quarter() {
    let limits = Limits {
        in_flight: 8,
        ..Limits::default()
    };
    let mut lanes = Lanes::default();
    lanes.start(keys(1, 0), 0);
    assert!(!lanes.is_free(keys(1, 0), 0, &limits) && lanes.is_free(keys(1, 1), 0, &limits));
    lanes.start(keys(1, 1), 0);
    assert!(!lanes.is_free(keys(1, 2), 0, &limits) && lanes.is_free(keys(2, 0), 0, &limits));
    lanes.wait(keys(1, 2), stanza("late"), &limits).unwrap();
    assert!(!lanes.has_ready(&limits));
    lanes.done(keys(1, 0), 0, &limits);
    assert_eq!(order(&mut lanes, &limits), ["late"]);
}

#[test]
fn limits_apply_in_total_and_per_sender() {
    let limits = Limits {
        waiting: 8,
        ..Limits::default()
    };
    let mut lanes = Lanes::default();
    for sender in 1..=4 {
        for n in 0..2 {
            assert!(lanes.wait(keys(sender, n), stanza("s"), &limits).is_ok());
        }
        assert!(
            lanes
                .wait(keys(sender, 9), stanza("over"), &limits)
                .is_err()
        );
    }
    assert!(lanes.wait(keys(5, 0), stanza("over"), &limits).is_err());
    assert_eq!(lanes.drain(&limits).len(), 8);
    assert!(lanes.wait(keys(5, 0), stanza("fits"), &limits).is_ok());
}

#[test]
fn domain_leaves_an_eighth_for_others() {
    let limits = Limits {
        in_flight: 16,
        waiting: 16,
        ..Limits::default()
    };
    let mut lanes = Lanes::default();
    // Each of the many users of domain 1 stays within the limits of a single user.
    let evil = |user: u64| Keys {
        lane: user,
        sender: user,
        domain: 1,
    };
    for user in 0..14 {
        assert!(lanes.is_free(evil(user), 0, &limits), "{user}");
        lanes.start(evil(user), 0);
    }
    assert!(!lanes.is_free(evil(14), 0, &limits));
    let shed = (14..100)
        .filter(|&user| lanes.wait(evil(user), stanza("evil"), &limits).is_err())
        .count();
    assert_eq!(shed, 86 - 14);
    let honest = Keys {
        lane: 100,
        sender: 100,
        domain: 2,
    };
    assert!(lanes.is_free(honest, 0, &limits));
    lanes.wait(honest, stanza("honest"), &limits).unwrap();
    assert_eq!(lanes.next(&limits).unwrap().1.id(), Some("honest"));
    assert!(lanes.next(&limits).is_none() && !lanes.has_ready(&limits));
    // A completed handler makes room for exactly one more.
    lanes.done(evil(0), 0, &limits);
    assert!(lanes.has_ready(&limits));
    assert_eq!(lanes.next(&limits).unwrap().0, evil(14));
    assert!(lanes.next(&limits).is_none());
    lanes.done(honest, stanza("honest").weight(), &limits);
    for user in 1..14 {
        lanes.done(evil(user), 0, &limits);
    }
    lanes.done(evil(14), stanza("evil").weight(), &limits);
    assert_eq!(order(&mut lanes, &limits).len(), 13);
    assert!(lanes.is_empty() && lanes.domains.is_empty() && lanes.run_queue.is_empty());
}

#[test]
fn bytes_being_handled_count_like_queued_bytes() {
    let one = stanza("s").weight();
    let limits = Limits {
        waiting_bytes: 8 * one,
        ..Limits::default()
    };
    let mut lanes = Lanes::default();
    lanes.start(keys(1, 0), one);
    assert!(lanes.is_free(keys(1, 1), one, &limits));
    lanes.start(keys(1, 1), one);
    assert!(
        !lanes.is_free(keys(1, 2), one, &limits)
            && lanes.wait(keys(1, 2), stanza("s"), &limits).is_err()
    );
    // A single stanza is accepted whatever its size, so that a small limit does not lock any
    // sender out.
    assert!(
        lanes.is_free(keys(2, 0), one, &limits) && !lanes.is_free(keys(2, 0), 7 * one, &limits)
    );
    lanes.done(keys(1, 0), one, &limits);
    lanes.wait(keys(1, 1), stanza("s"), &limits).unwrap();
    lanes.drain(&limits);
    assert_eq!(lanes.bytes, one);
    lanes.done(keys(1, 1), one, &limits);
    assert!(lanes.is_empty() && lanes.is_free(keys(2, 0), 100 * one, &limits));
}

/// Returns numbers below the argument. Knuth's linear congruential generator, MMIX.
fn pseudo_random() -> impl FnMut(usize) -> usize {
    let mut state = 1u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

/// Lets the users of one domain wait in two lanes each all the time, while a few handlers complete
/// in each turn. Returns the most handlers that were started between two of one user.
fn longest_wait(users: u64, turns: usize) -> usize {
    let limits = Limits {
        in_flight: 16,
        waiting: 1000,
        ..Limits::default()
    };
    let mut random = pseudo_random();
    let mut lanes = Lanes::default();
    let mut running: VecDeque<(Keys, usize)> = VecDeque::new();
    let mut started = 0;
    let mut last_start = vec![0; users as usize];
    let mut longest = 0;
    for _ in 0..turns {
        for lane in 0..2 * users {
            let keys = Keys {
                lane,
                sender: lane / 2,
                domain: 1,
            };
            let waits = |lane: &Lane| !lane.waiting.is_empty();
            if !lanes.lanes.get(&lane).is_some_and(waits) {
                lanes.wait(keys, stanza("m"), &limits).unwrap();
            }
        }
        for _ in 0..random(4).min(running.len()) {
            let (keys, bytes) = running.pop_front().unwrap();
            lanes.done(keys, bytes, &limits);
        }
        for _ in 0..random(4) {
            let Some((keys, stanza)) = lanes.next(&limits) else {
                break;
            };
            started += 1;
            let last = &mut last_start[keys.sender as usize];
            longest = longest.max(started - *last);
            *last = started;
            running.push_back((keys, stanza.weight()));
        }
    }
    assert!(started > turns / 2, "{started}");
    longest
}

#[test]
fn senders_of_a_busy_domain_keep_their_place() {
    for users in [15, 50] {
        let longest = longest_wait(users, 20_000);
        assert!(longest <= 2 * users as usize, "{users} users: {longest}");
    }
}
