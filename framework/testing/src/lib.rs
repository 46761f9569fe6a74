//! For tests of components: handlers called alone, virtual users, faults on the wire, byte
//! transcripts. The [guide](campanile::guide::testing) goes through all of it.
//!
//! Everything here panics when a test must fail, and says what was wanted and what was seen, as
//! XML. Nothing needs a socket or a server, so a test on a paused clock
//! (`#[tokio::test(start_paused = true)]`) spends minutes in no time.
//!
//! A handler, and what it answers:
//!
//! ```
//! use campanile::{extract::Sender, router::Router};
//! use campanile_testing as testing;
//!
//! async fn greet(Sender(who): Sender) -> String {
//!     format!("Hello {who}")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let answer = testing::call(Router::new().message(greet), "<message type='chat'><body>hi</body></message>").await;
//! answer.assert_reply("<message type='chat'><body>Hello alice@localhost/home</body></message>");
//! # }
//! ```
//!
//! A component with its users:
//!
//! ```
//! # use campanile::{extract::Sender, router::Router};
//! # use campanile_testing as testing;
//! # async fn greet(Sender(who): Sender) -> String {
//! #     format!("Hello {who}")
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), campanile::error::BoxError> {
//! let bot = testing::mount("bot.localhost", |bot| bot.router(Router::new().message(greet))).await;
//! let alice = bot.user("alice@localhost");
//! alice.say("bot.localhost", "hi").await?;
//! alice.expect("<message from='bot.localhost' type='chat'><body>Hello alice@localhost/home</body></message>").await;
//! # Ok(())
//! # }
//! ```
//!
//! A component that asks its users, and a link that breaks:
//!
//! ```
//! use campanile::client::{Empty, IqError};
//! use campanile::{reply::Reply, router::Router};
//! use campanile_testing as testing;
//! use xmpp_parsers::ping::Ping;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), campanile::error::BoxError> {
//! let bot = testing::mount("bot.localhost", |bot| bot.router(Router::new())).await;
//! let (alice, bob) = (bot.user("alice@localhost"), bot.user("bob@localhost"));
//! let (client, to_alice, to_bob) = (bot.client(), alice.jid().clone(), bob.jid().clone());
//! let asking = tokio::spawn(async move { (client.iq_get::<Empty>(to_alice, &Ping).await, client.iq_get::<Empty>(to_bob, &Ping).await) });
//! let ping = alice.expect("<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await;
//! alice.answer(&ping, Reply::Empty).await?;
//! bob.expect("<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await;
//! bot.wire().cut();
//! let (alice, bob) = asking.await?;
//! assert!(alice.is_ok() && matches!(bob, Err(IqError::Disconnected)));
//! # Ok(())
//! # }
//! ```
//!
//! | fault | how |
//! |---|---|
//! | one byte per read and write | [`Wire::split`] |
//! | the link breaks, now or within a stanza | [`Wire::cut`], [`Wire::cut_after_read`], [`Wire::cut_after_written`] |
//! | the server is silent; takes nothing; is not there | [`Wire::silence`], [`Wire::block`], [`Wire::refuse`] |
//! | the server stops and starts | [`Host::stop`](crate::host::Host::stop), [`Host::start`](crate::host::Host::start) |
//! | a stream error, such as a conflict | [`Host::disconnect`](crate::host::Host::disconnect) |
//! | bytes that no server would send | [`Host::inject`](crate::host::Host::inject), [`Transcript`] |
//! | a flood | [`User::flood`](crate::host::User::flood) |
//! | late and forged answers | [`User::answer`](crate::host::User::answer), [`User::send`](crate::host::User::send) as another user |

mod call;
mod compare;
mod expect;
mod fault_injection;
pub mod host;
mod mount;
mod player;
mod raw_bytes;
mod show;
mod transcript;

pub use self::call::{Replies, call};
pub use self::fault_injection::Wire;
pub use self::mount::{Mounted, Running, mount, start};
pub use self::player::TranscriptResult;
pub use self::transcript::{Transcript, digest};

/// How long a test waits for what must come, unless it says otherwise: longer than a handler or a
/// request may take by default. On a paused clock it costs nothing.
pub const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(40);
