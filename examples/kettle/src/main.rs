//! A bot for the roster. Subscribers see its status, its vCard has a photo, and it handles chat
//! commands.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `kitchen.localhost`, and add `kettle@kitchen.localhost` to your roster:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-kettle
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use campanile::component::ComponentBuilder;
use campanile::extract::{Args, Recipient, Sender, State};
use campanile::jid::BareJid;
use campanile::presence::{Availability, MemoryStore, Roster};
use campanile::vcard::{VCard, VCardModule};
use campanile::xmpp_parsers::disco::Identity;
use campanile::xmpp_parsers::presence::Show;
use campanile::{BoxError, Component, Router, shutdown_signal};

/// Localpart of the bot.
const KETTLE: &str = "kettle";
/// Capacity in cups.
const CAPACITY: u8 = 7;

/// State shared by the handlers: the current boil, and the roster of subscribers.
#[derive(Debug, Clone)]
struct Kitchen {
    boiling: Arc<Mutex<Option<(u8, BareJid)>>>,
    roster: Roster,
}

impl Kitchen {
    /// Starts boiling. Fails with the current boil if there is one.
    fn begin(&self, cups: u8, who: BareJid) -> Result<(), (u8, BareJid)> {
        match &mut *self.boiling.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(other) => Err(other.clone()),
            cold => {
                *cold = Some((cups, who));
                Ok(())
            }
        }
    }

    /// Stops boiling. Returns the finished boil.
    fn end(&self) -> Option<(u8, BareJid)> {
        self.boiling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Sends the new status to all subscribers, in the background because there may be many.
    fn tell(&self, own: BareJid, availability: Availability) {
        let roster = self.roster.clone();
        tokio::spawn(async move {
            if let Err(error) = roster.set(&own, availability).await {
                tracing::warn!(%error, "sending presence to all subscribers failed");
            }
        });
    }
}

/// Returns the status of an idle kettle.
fn idle() -> Availability {
    Availability::online().status("cold")
}

async fn boil(
    Sender(who): Sender,
    Recipient(me): Recipient,
    State(kitchen): State<Kitchen>,
    Args(cups): Args<u8>,
) -> String {
    if !(1..=CAPACITY).contains(&cups) {
        return format!("I can boil 1 to {CAPACITY} cups.");
    }
    if let Err((cups, other)) = kitchen.begin(cups, who.to_bare()) {
        return format!("Already boiling {cups} cups for {other}.");
    }
    let status = format!("boiling {cups} cups");
    kitchen.tell(
        me.to_bare(),
        Availability::online().show(Show::Dnd).status(status),
    );
    format!("Boiling {cups} cups.")
}

async fn off(Recipient(me): Recipient, State(kitchen): State<Kitchen>) -> String {
    match kitchen.end() {
        None => "The kettle is already off.".to_owned(),
        Some((cups, who)) => {
            kitchen.tell(me.to_bare(), idle());
            format!("Stopped. {cups} cups are ready for {who}.")
        }
    }
}

async fn fallback() -> &'static str {
    "I can only boil water. Write !help."
}

/// Adds the bot, its vCard, and the roster that publishes its presence.
fn mount(kitchen: ComponentBuilder) -> Result<ComponentBuilder, BoxError> {
    let photo = include_bytes!("../kettle.png").to_vec();
    let card = VCard::new()
        .name("Kettle")
        .description("Boils water: !boil 3")
        .photo(photo)?;
    let cards = VCardModule::new()
        .domain(VCard::new().name("The kitchen"))
        .bot(KETTLE, card)?;
    // All subscription requests are accepted. Subscriptions are lost on restart; a store of
    // campanile-storage would keep them.
    let roster = Roster::builder(MemoryStore::new())
        .availability(idle())
        .extension(cards.clone())
        .build();
    let state = Kitchen {
        boiling: Arc::default(),
        roster: roster.clone(),
    };
    let bot = Router::new()
        .identity(Identity::new("client", "bot", "en", "Kettle"))
        .chat_command(("!boil {cups}", "Boils water"), boil)
        .chat_command(("!off", "Stops boiling"), off)
        .message(fallback)
        .with_state(state);
    Ok(kitchen
        .router(Router::new().at(KETTLE, bot))
        .module(cards)
        .module(roster))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let kitchen = Component::builder("kitchen.localhost")
        .server("127.0.0.1:5347")
        .secret(secret);
    let kitchen = mount(kitchen)?.build()?;
    Ok(kitchen.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests {
    use campanile::stanza::Stanza;
    use campanile_testing::Mounted;
    use campanile_testing::host::User;

    use super::*;

    const BOT: &str = "kettle@kitchen.localhost";
    /// Output of `sha1sum kettle.png`.
    const HASH: &str = "1bba3fc9911761ec55ffca8a6f51214154221c93";

    async fn mounted() -> Mounted {
        campanile_testing::mount("kitchen.localhost", |kitchen| {
            mount(kitchen).unwrap_or_else(|why| panic!("{why}"))
        })
        .await
    }

    async fn subscribed(user: &User) -> Result<Stanza, BoxError> {
        user.send(format!("<presence type='subscribe' to='{BOT}'/>"))
            .await?;
        user.expect(&format!("<presence type='subscribed' from='{BOT}'/>"))
            .await;
        Ok(user.recv().await.ok_or("the host is closed")?)
    }

    fn text(stanza: &Stanza, name: &str) -> Option<String> {
        stanza
            .children()
            .find("jabber:client", name)
            .map(|child| child.text().into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn subscriber_receives_status_updates() -> Result<(), BoxError> {
        let kitchen = mounted().await;
        let alice = kitchen.user("alice@localhost");
        let bob = kitchen.user("bob@localhost");
        for user in [&alice, &bob] {
            assert_eq!(
                text(&subscribed(user).await?, "status").as_deref(),
                Some("cold")
            );
        }
        let rows = [
            ("!boil 9", "I can boil 1 to 7 cups.", None),
            (
                "!boil 3",
                "Boiling 3 cups.",
                Some((Some("dnd"), "boiling 3 cups")),
            ),
            (
                "!boil 2",
                "Already boiling 3 cups for alice@localhost.",
                None,
            ),
            (
                "!off",
                "Stopped. 3 cups are ready for alice@localhost.",
                Some((None, "cold")),
            ),
            ("!off", "The kettle is already off.", None),
            ("tea, please", "I can only boil water. Write !help.", None),
            (
                "!help",
                "Commands:\n!boil <cups> – Boils water\n!off – Stops boiling",
                None,
            ),
        ];
        for (said, wanted, seen) in rows {
            alice.say(BOT, said).await?;
            let answer = alice
                .recv_where(|stanza| stanza.kind().name() == "message")
                .await
                .ok_or("closed")?;
            assert_eq!(text(&answer, "body").as_deref(), Some(wanted), "{said}");
            for user in [&alice, &bob] {
                let Some((show, status)) = seen else { continue };
                let presence = user.recv().await.ok_or("the host is closed")?;
                let shown = (text(&presence, "show"), text(&presence, "status"));
                assert_eq!(
                    shown,
                    (show.map(str::to_owned), Some(status.to_owned())),
                    "{said}"
                );
            }
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn presence_announces_vcard_photo() -> Result<(), BoxError> {
        let kitchen = mounted().await;
        let alice = kitchen.user("alice@localhost");
        let presence = subscribed(&alice).await?.to_xml();
        assert!(
            presence.contains(&format!("<photo>{HASH}</photo>")),
            "{presence}"
        );
        let ask = |to: &str| format!("<iq type='get' to='{to}'><vCard xmlns='vcard-temp'/></iq>");
        let card = alice.request(ask(BOT)).await?.to_xml();
        assert!(
            card.contains("<FN>Kettle</FN>") && card.contains("<TYPE>image/png</TYPE>"),
            "{card}"
        );
        let card = alice.request(ask("kitchen.localhost")).await?.to_xml();
        assert!(card.contains("<FN>The kitchen</FN>"), "{card}");
        Ok(())
    }
}
