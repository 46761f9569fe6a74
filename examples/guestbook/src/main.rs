//! A program that lets a configuration choose among its modules.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `club.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-guestbook examples/guestbook/modules.json
//! ```

use campanile::component::ComponentBuilder;
use campanile::module::Catalog;
use campanile::{BoxError, Component, shutdown_signal};
use example_guestbook::Guestbook;

/// Returns all modules of this program. A module of another crate takes one line.
fn catalog() -> Catalog {
    Catalog::new().register("guestbook", Guestbook::new)
}

/// Adds the modules that the configuration selects.
fn configured(
    builder: ComponentBuilder,
    configuration: &str,
) -> Result<ComponentBuilder, BoxError> {
    let settings = serde_json::from_str(configuration)?;
    Ok(builder.modules(catalog().choose(&settings)?))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let file = std::env::args()
        .nth(1)
        .ok_or("usage: example-guestbook FILE")?;
    let club = Component::builder("club.localhost")
        .server("127.0.0.1:5347")
        .secret(std::env::var("BOT_SECRET")?);
    let club = configured(club, &std::fs::read_to_string(file)?)?.build()?;
    Ok(club.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests {
    use campanile_testing as testing;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn modules_json_mounts_guestbook() -> Result<(), BoxError> {
        let file = include_str!("../modules.json");
        let club = testing::mount("club.localhost", |club| {
            configured(club, file).unwrap_or_else(|why| panic!("{why}"))
        })
        .await;
        let alice = club.user("alice@localhost");
        for (said, wanted) in [
            ("!read", "No entries yet."),
            ("!sign What a nice place", "Thank you. Entries: 1."),
            ("!sign \"Once more\"", "Thank you. Entries: 2."),
            ("!sign And again", "Thank you. Entries: 2."),
            (
                "!read",
                "alice@localhost: Once more\nalice@localhost: And again",
            ),
        ] {
            alice.say("guests@club.localhost", said).await?;
            alice
                .expect(&format!(
                    "<message type='chat'><body>{wanted}</body></message>"
                ))
                .await;
        }
        let items = "<iq type='get' id='1' to='club.localhost'><query \
            xmlns='http://jabber.org/protocol/disco#items'/></iq>";
        let items = alice.request(items).await?.to_xml();
        assert!(
            items.contains("<item jid='guests@club.localhost' name='Guestbook'/>"),
            "{items}"
        );
        Ok(())
    }

    #[test]
    fn invalid_configuration_is_reported() {
        for (file, wanted) in [
            (
                "{\"guestbok\":{}}",
                "unknown module \"guestbok\"; available: guestbook",
            ),
            (
                "{\"guestbook\":{}}",
                "invalid settings for guestbook: the table has no localpart; add localpart = …",
            ),
            (
                "{\"guestbook\":{\"localpart\":\"a b\"}}",
                "invalid settings for guestbook: invalid localpart \"a b\": localpart doesn’t pass \
                nodeprep validation",
            ),
            (
                "{\"guestbook\":{\"localpart\":\"a\",\"entries\":0}}",
                "invalid settings for guestbook: entries: `entries` is out of range; write a value \
                from 1 to 100000",
            ),
        ] {
            let refused = configured(Component::builder("club.localhost"), file).map(drop);
            assert_eq!(
                refused.map_err(|why| why.to_string()),
                Err(wanted.to_owned())
            );
        }
    }
}
