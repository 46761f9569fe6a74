//! Test utilities for components: handlers without a connection, virtual users, fault injection,
//! and byte-exact transcripts. The [guide](crate::guide) explains each of them.
//!
//! Assertions panic with the caller's location, and show the wanted and the seen stanza as XML. No
//! sockets and no server are needed, so tests on a paused clock
//! (`#[tokio::test(start_paused = true)]`) run through minutes of waiting without delay.
//!
//! Call a handler and assert its reply:
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
//! let message = "<message type='chat'><body>hi</body></message>";
//! let replies = testing::call(Router::new().message(greet), message).await;
//! replies.assert_reply(
//!     "<message type='chat'><body>Hello alice@localhost/home</body></message>",
//! );
//! # }
//! ```
//!
//! Run a component with virtual users:
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
//! alice
//!     .expect(
//!         "<message from='bot.localhost' type='chat'>\
//!          <body>Hello alice@localhost/home</body></message>",
//!     )
//!     .await;
//! # Ok(())
//! # }
//! ```
//!
//! Reply to a component's requests, and break its connection:
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
//! let alice = bot.user("alice@localhost");
//! let client = bot.client();
//! let peer = alice.jid().clone();
//! let requests = tokio::spawn(async move {
//!     let first = client.iq_get::<Empty>(peer.clone(), &Ping).await;
//!     let second = client.iq_get::<Empty>(peer, &Ping).await;
//!     (first, second)
//! });
//! let ping = "<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>";
//! let request = alice.expect(ping).await;
//! alice.answer(&request, Reply::Empty).await?;
//! alice.expect(ping).await;
//! bot.wire().cut();
//! let (first, second) = requests.await?;
//! assert!(first.is_ok() && matches!(second, Err(IqError::Disconnected)));
//! # Ok(())
//! # }
//! ```
//!
//! | Fault | API |
//! |---|---|
//! | One byte per read and write | [`Wire::split`] |
//! | Connection lost | [`Wire::cut`] |
//! | Connection lost within a stanza | [`Wire::cut_after_read`], [`Wire::cut_after_written`] |
//! | Server silent, blocked, unreachable | [`Wire::silence`], [`Wire::block`], [`Wire::refuse`] |
//! | Server restart | [`Host::stop`], [`Host::start`] |
//! | Stream error, such as `conflict` | [`Host::disconnect`] |
//! | Invalid bytes from the server | [`Host::inject`], [`Transcript`] |
//! | Flood | [`User::flood`] |
//! | Rooms: refusals, removals, a service that forgets | [`RoomService`](crate::rooms::RoomService) |
//! | Late and forged responses | [`User::answer`], [`User::send`] as another user |
//!
//! [`Host::stop`]: crate::host::Host::stop
//! [`Host::start`]: crate::host::Host::start
//! [`Host::disconnect`]: crate::host::Host::disconnect
//! [`Host::inject`]: crate::host::Host::inject
//! [`User::flood`]: crate::host::User::flood
//! [`User::answer`]: crate::host::User::answer
//! [`User::send`]: crate::host::User::send

#![cfg_attr(docsrs, feature(doc_cfg))]

mod call;
mod compare;
mod expect;
mod fault_injection;
mod io;
#[doc = include_str!("guide.md")]
pub mod guide {}
pub mod host;
mod mount;
mod player;
mod raw_bytes;
pub mod rooms;
mod script;
mod show;
mod transcript;

pub use self::call::{Replies, call};
pub use self::fault_injection::{FaultyIo, Wire};
pub use self::mount::{Mounted, Running, mount, start};
pub use self::player::TranscriptResult;
pub use self::transcript::{Transcript, digest};

/// Time limit for an expected stanza: 40 seconds.
///
/// Longer than a handler or a request may take by default. Free of delay on a paused clock.
pub const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(40);
