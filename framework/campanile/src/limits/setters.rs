//! A setter for each limit, so that limits can be written as one expression.

use std::time::Duration;

use super::Limits;

/// Generates one setter per line: field, setter, type, and the range of useful values.
macro_rules! setters {
    ($(
        $(#[doc = $group:literal])+
        $($field:ident $with:ident $type:ty, $range:literal;)+
    )+) => {
        $(
            $(#[doc = $group])+
            impl Limits {
                $(
                    #[doc = concat!(
                        "Sets [`", stringify!($field), "`](Self::", stringify!($field), "): ",
                        $range, "."
                    )]
                    #[must_use]
                    pub fn $with(mut self, $field: $type) -> Self {
                        self.$field = $field;
                        self
                    }
                )+
            }
        )+
    };
}

setters! {
    /// Queue
    in_flight with_in_flight usize, "1 to 1,000,000 handlers";
    waiting with_waiting usize, "1 to 1,000,000 stanzas";
    waiting_bytes with_waiting_bytes usize, "64 KiB to 1 GiB";
    outbound with_outbound usize, "64 KiB to 1 GiB";
    unconfirmed with_unconfirmed usize, "1 to 1,000,000 stanzas";
    unconfirmed_bytes with_unconfirmed_bytes usize, "64 KiB to 1 GiB";
    unconfirmed_age with_unconfirmed_age Duration, "100 ms to a day";
    handler_timeout with_handler_timeout Duration, "100 ms to a day";
    slow_handler with_slow_handler Duration, "1 ms to a day";
    shutdown_grace with_shutdown_grace Duration, "up to a day; zero waits for nothing";

    /// Stanza
    max_stanza_in with_max_stanza_in usize, "10,000 bytes to 256 MiB; less counts as 10,000 bytes";
    max_stanza_out with_max_stanza_out usize, "10,000 bytes to 256 MiB";
    max_depth with_max_depth usize, "8 to 1,000; parsers of payloads overflow the stack far beyond";

    /// IQ
    max_pending_iqs with_max_pending_iqs usize, "1 to 1,000,000 requests";
    iq_timeout with_iq_timeout Duration, "100 ms to a day";
    max_collected with_max_collected usize, "1 to 1,000,000 messages";
    max_collected_bytes with_max_collected_bytes usize, "64 KiB to 1 GiB";

    /// Keepalive
    keepalive with_keepalive Duration, "1 s to a day";
    keepalive_deadline with_keepalive_deadline Duration, "1 s to a day";
    write_stall with_write_stall Duration, "1 s to a day";

    /// Retry
    connect_timeout with_connect_timeout Duration, "1 s to a day";
    reply_max_age with_reply_max_age Duration, "up to a day; zero drops every unwritten reply";
    back_off with_back_off (Duration, Duration), "100 ms to a day, the first at most the second";
    slow_retry with_slow_retry (Duration, Duration), "1 s to a day, the first at most the second";
    stable_after with_stable_after Duration, "up to a day";
}
