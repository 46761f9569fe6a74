//! XMPP clients.

mod profanity;
mod slixmpp_client;
mod terminal;
mod tokio_xmpp_client;

pub use profanity::Profanity;
pub use slixmpp_client::{Answer, SlixmppClient, interpreter};
pub use terminal::Terminal;
pub use tokio_xmpp_client::TokioXmppClient;
