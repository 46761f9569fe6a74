//! Names of NATS subjects, streams and consumers.

use campanile::stanza::Kind;

/// The names of one component, which share a prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Returns the subject on which a stanza for a bot is published.
    pub(super) fn inbound(&self, bot: &str, kind: Kind) -> String {
        format!(
            "{}.in.{}.{}.{}",
            self.prefix,
            token(bot),
            kind.name(),
            kind.type_str()
        )
    }

    /// Returns the filter for everything sent to one bot.
    pub(super) fn all_of(&self, bot: &str) -> String {
        format!("{}.in.{}.>", self.prefix, token(bot))
    }

    /// Returns the filter for everything sent to any bot.
    pub(super) fn all_inbound(&self) -> String {
        format!("{}.in.>", self.prefix)
    }

    /// Returns the filter for everything that bots send.
    pub(super) fn all_outbound(&self) -> String {
        format!("{}.out.*", self.prefix)
    }

    /// Returns the subject of IQ requests to a bot.
    pub(super) fn iq(&self, bot: &str) -> String {
        format!("{}.iq.{}", self.prefix, token(bot))
    }

    /// Returns the subject for rejected messages of a bot, given its token.
    pub(super) fn refused(&self, token: &str) -> String {
        format!("{}.refused.{token}", self.prefix)
    }

    /// Returns the subject for IQ responses that belong to one instance of the component.
    pub(super) fn answer(&self, instance: &str) -> String {
        format!("{}.answer.{instance}", self.prefix)
    }

    /// Returns the name of the stream for a direction, `in` or `out`. Stream names contain no dots.
    pub(super) fn stream(&self, way: &str) -> String {
        format!("{}-{way}", self.prefix.replace('.', "-"))
    }
}

/// Encodes a localpart as one token of a subject, which is also the name of the bot's consumer.
///
/// Bytes other than letters, digits and `-` are written as `=` and two hexadecimal digits. The bot
/// for all other addresses is `_`.
pub(super) fn token(bot: &str) -> String {
    if bot.is_empty() {
        return "_".to_owned();
    }
    bot.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => {
            text + char::from(byte).encode_utf8(&mut [0; 4])
        }
        other => text + &format!("={other:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile::stanza::MessageType;

    #[test]
    fn localpart_becomes_single_token() {
        assert_eq!(
            (&*token("helpdesk"), &*token(""), &*token("a.b_c>é")),
            ("helpdesk", "_", "a=2Eb=5Fc=3E=C3=A9")
        );
        let names = Names::new("xmpp.bridge");
        assert_eq!(
            names.inbound("bot", Kind::Message(MessageType::Chat)),
            "xmpp.bridge.in.bot.message.chat"
        );
        assert_eq!(names.stream("in"), "xmpp-bridge-in");
    }
}
