//! Everything that implements a XEP, one file or folder each.

pub mod adhoc;
pub mod caps;
mod defaults;
pub mod disco;
pub mod form;
pub mod muc;
pub mod paging;
pub mod presence;
pub mod receipts;
pub mod request;
pub mod vcard;
