//! Random stanzas.

use super::{Generator, Hostile, Origin, Outcome, content, parse};

/// Type attributes and their meaning. Only a server may be trusted to leave the first one alone.
const TYPES: [(&str, &str); 10] = [
    ("", "normal"),
    (" type='weird'", "normal"),
    (" type='chat'", "chat"),
    (" type=\"chat\"", "chat"),
    (" type='normal'", "normal"),
    (" type='CHAT'", "normal"),
    (" type='&#99;hat'", "chat"),
    (" type='groupchat'", "groupchat"),
    (" type='headline'", "headline"),
    (" type='error'", "error"),
];

/// The attributes of a stanza.
struct Head {
    /// Raw XML.
    attributes: String,
    id: String,
    to: String,
    /// Set if both addresses are valid, so that a reply is possible.
    whole: bool,
}

impl Generator {
    pub(super) fn stanza(&mut self) -> Hostile {
        match self.rng.below(20) {
            0..=8 => self.message(),
            9..=15 => self.iq(),
            16..=18 => self.presence(),
            _ if self.origin == Origin::Component => self.unknown(),
            _ => self.message(),
        }
    }

    fn message(&mut self) -> Hostile {
        let with_id = !self.rng.one_in(8);
        let head = self.head(with_id);
        let (written, kind) = self.rng.pick(&TYPES);
        let Head {
            attributes,
            id,
            to,
            whole,
        } = &head;
        let answered = matches!(kind, "chat" | "normal") && *whole;
        let mut children = self.children();
        let beyond = self.rng.one_in(100);
        if beyond {
            self.beyond(&mut children);
        }
        let large = self.rng.one_in(400);
        if large {
            children = self.large_body(beyond);
        }
        let xml = self.tag("message", &format!("{attributes}{written}"), &children);
        let error = |condition: &str| format!("message error {id:?} from {to} {condition}");
        let outcome = if !answered {
            Outcome::Skipped
        } else if beyond || (large && children.len() > 512 * 1024) {
            // Up to 1 MiB is accepted on input, but too large for the reply.
            Outcome::Bounded(error("policy-violation"))
        } else {
            let children = content(&parse(&xml, self.origin), self.origin);
            Outcome::Accepted(format!("message {kind} {id:?} from {to} {children}"))
        };
        Hostile { xml, outcome }
    }

    fn iq(&mut self) -> Hostile {
        let with_id = !self.rng.one_in(8);
        let head = self.head(with_id);
        let Head {
            attributes,
            id,
            to,
            whole,
        } = &head;
        let to_domain = !to.contains('@');
        let (kind, request) = self.rng.pick(&[
            ("get", true),
            ("get", true),
            ("set", true),
            ("result", false),
            ("error", false),
            ("weird", true),
            ("", true),
            ("GET", true),
        ]);
        let payloads = self.rng.pick(&[1, 1, 1, 1, 0, 2, 3]);
        let (mut children, answer) = self.payload(kind, to_domain);
        match payloads {
            0 => children.clear(),
            more => (1..more).for_each(|_| self.child(&mut children)),
        }
        let kind_is_known = matches!(kind, "get" | "set");
        let beyond = kind_is_known && with_id && payloads == 1 && self.rng.one_in(50);
        if beyond {
            children.clear();
            self.beyond(&mut children);
        }
        let written = if kind.is_empty() && self.rng.one_in(2) {
            String::new()
        } else {
            format!(" type='{kind}'")
        };
        let xml = self.tag("iq", &format!("{attributes}{written}"), &children);
        let error = |condition: &str| format!("iq error {id:?} from {to} {condition}");
        let outcome = if !request || !whole {
            Outcome::Skipped
        } else if !kind_is_known || !with_id || payloads != 1 {
            Outcome::BadRequest(error("bad-request"))
        } else if beyond {
            Outcome::Bounded(error("policy-violation"))
        } else {
            Outcome::Accepted(match answer {
                None => format!("iq result {id:?} from {to}"),
                Some(condition) => error(condition),
            })
        };
        Hostile { xml, outcome }
    }

    /// Generates a payload and the condition with which a request with it is rejected, if any.
    fn payload(&mut self, kind: &str, to_domain: bool) -> (String, Option<&'static str>) {
        let (payload, answer) = match self.rng.below(8) {
            0 => (
                "<ping xmlns='urn:xmpp:ping' weird='1'><a/>text</ping>",
                None,
            ),
            1 => ("<p:time xmlns:p='urn:xmpp:time'/>", None),
            2 => (
                "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                None,
            ),
            3 => (
                "<query xmlns='http://jabber.org/protocol/disco#info' node='no such node'/>",
                Some("item-not-found"),
            ),
            4 => (
                "<pong xmlns='urn:xmpp:ping'/>",
                Some("feature-not-implemented"),
            ),
            _ => {
                let mut payload = String::new();
                self.child(&mut payload);
                return (payload, Some("service-unavailable"));
            }
        };
        let answer = match (to_domain, kind) {
            // There is no such address.
            (false, _) => Some("service-unavailable"),
            // The namespace is known, but does not support set.
            (true, "set") => Some("feature-not-implemented"),
            (true, _) => answer,
        };
        (payload.to_owned(), answer)
    }

    fn presence(&mut self) -> Hostile {
        let with_id = !self.rng.one_in(4);
        let Head {
            attributes,
            id,
            to,
            whole,
        } = self.head(with_id);
        let children = self.rng.pick(&[
            "",
            "<show>busy</show>",
            "<show/>",
            "<show>away</show><show>dnd</show>",
            "<priority>200</priority>",
            "<priority>high</priority>",
            "<status>a</status><status>b</status>",
            "<c xmlns='http://jabber.org/protocol/caps'/>",
            "<x xmlns='vcard-temp:x:update'><photo>é</photo><photo/></x>",
        ]);
        let (kind, outcome) = match self.rng.below(8) {
            0 | 1 => ("", None),
            2 => ("unavailable", None),
            3 if self.origin == Origin::Component => {
                (self.rng.pick(&["subscribed", "unsubscribe", "error"]), None)
            }
            4 if self.origin == Origin::Component => {
                let bare = to.split('/').next().unwrap_or_default();
                let answer = format!("presence unsubscribed \"\" from {bare}");
                (
                    self.rng.pick(&["subscribe", "probe"]),
                    Some(Outcome::Accepted(answer)),
                )
            }
            _ => {
                let answer = format!("presence error {id:?} from {to} bad-request");
                (
                    self.rng.pick(&["invisible", "gone", "weird", "SUBSCRIBE"]),
                    Some(Outcome::BadRequest(answer)),
                )
            }
        };
        let written = if kind.is_empty() {
            String::new()
        } else {
            format!(" type='{kind}'")
        };
        let xml = self.tag("presence", &format!("{attributes}{written}"), children);
        Hostile {
            xml,
            outcome: outcome.filter(|_| whole).unwrap_or(Outcome::Skipped),
        }
    }

    /// Generates top-level content that is not a stanza.
    fn unknown(&mut self) -> Hostile {
        let mut xml = match self.rng.below(8) {
            0 => "stray text &amp; white space\n".to_owned(),
            1 => "<handshake/>".to_owned(),
            2 => "<foo/>".to_owned(),
            3 => "<message xmlns='urn:a' from='a@localhost' \
                to='echo.localhost'><body>a</body></message>"
                .to_owned(),
            4 => "<stream:features/>".to_owned(),
            5 => format!(
                "<r xmlns='urn:xmpp:sm:3' from='a@localhost' to='{}'/>",
                self.domain
            ),
            6 => "<Message from='a@localhost' to='echo.localhost'/>".to_owned(),
            _ => String::new(),
        };
        if xml.is_empty() {
            self.child(&mut xml);
        }
        Hostile {
            xml,
            outcome: Outcome::Skipped,
        }
    }

    /// Generates a body between the two size limits, or beyond both. Servers limit their clients to
    /// less.
    fn large_body(&mut self, beyond: bool) -> String {
        let size = match self.origin {
            Origin::Client => 100_000 + self.rng.below(100_000),
            Origin::Component if beyond => 1_100_000,
            Origin::Component => self.rng.pick(&[500_000, 600_000, 1_100_000]),
        };
        format!("<body>{}</body>", "x".repeat(size))
    }

    fn head(&mut self, with_id: bool) -> Head {
        let number = self.count;
        let domain = &self.domain;
        let (written, id) = match self.rng.below(12) {
            _ if !with_id => (self.rng.pick(&["", " id=''"]).to_owned(), String::new()),
            0 => (
                format!(" id='h{number}&apos;&quot;&lt;&amp;'"),
                format!("h{number}'\"<&"),
            ),
            1 => (
                format!(" id=\"h{number} é日\u{1F514}\""),
                format!("h{number} é日\u{1F514}"),
            ),
            2 => (
                format!(" id='h{number}{}'", "x".repeat(3000)),
                format!("h{number}{}", "x".repeat(3000)),
            ),
            _ => (format!(" id='h{number}'"), format!("h{number}")),
        };
        let to = match self.rng.below(8) {
            0 => format!("bot@{domain}"),
            1 => format!("bot@{domain}/desk é"),
            2 => format!("{domain}/desk"),
            3 => format!("b{}@{domain}", self.rng.below(100)),
            _ => domain.clone(),
        };
        let mut attributes = format!("{written} to='{to}'");
        let mut whole = true;
        if self.origin == Origin::Component {
            self.addresses(&mut attributes, &to, &mut whole);
        }
        Head {
            attributes,
            id,
            to,
            whole,
        }
    }

    /// Generates addresses, which a client's server would validate: the sender, and that both are
    /// JIDs.
    fn addresses(&mut self, attributes: &mut String, to: &str, whole: &mut bool) {
        let sender = format!("u{}@localhost/é desk", self.rng.below(200));
        let odd = self.rng.below(40);
        *whole = odd >= 6;
        let from = match odd {
            0 => String::new(),
            1 => format!(
                " from='{}'",
                self.rng
                    .pick(&["", "@", "a@", "a@b@c", "a b@c", "@/", "a@localhost/"])
            ),
            _ => format!(" from='{sender}'"),
        };
        let other = match odd {
            2 => " to=''",
            3 => " to='@@/'",
            4 => " to='localhost'",
            5 => " to='bot@elsewhere.localhost'",
            // Domains are case-insensitive.
            6 => &format!(" to='{}'", to.replace("localhost", "LocalHost")),
            _ => "",
        };
        if !other.is_empty() {
            *attributes = attributes.replace(&format!(" to='{to}'"), other);
        }
        attributes.push_str(&from);
        if self.rng.one_in(10) {
            attributes
                .push_str(" foo='1' xmlns:x='urn:x' x:from='mallory@localhost' xml:lang='tlh'");
        }
    }

    /// Assembles a stanza.
    fn tag(&mut self, name: &str, attributes: &str, children: &str) -> String {
        if children.is_empty() && self.rng.one_in(2) {
            return format!("<{name}{attributes}/>");
        }
        if self.origin == Origin::Component && self.rng.one_in(12) {
            return format!(
                "<c:{name} xmlns:c='jabber:component:accept'{attributes}\n>{children}</c:{name}\n>"
            );
        }
        format!("<{name}{attributes}>{children}</{name}>")
    }
}
