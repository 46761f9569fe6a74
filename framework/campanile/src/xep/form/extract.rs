//! Forms as handler arguments and replies.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xmpp_parsers::data_forms::{DataForm, DataFormType, Field};

use super::{FormError, NS, Table, element, read, write};
use crate::error::{BoxError, Condition, StanzaError};
use crate::extract::{FromInbound, Rejection};
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::stanza::Stanza;

/// Extracts the fields of a submitted data form (XEP-0004) as a struct.
///
/// The form is a child of the stanza, or of the payload of an IQ. In a handler of a
/// [command](crate::adhoc), `Form` holds the values entered so far. As a reply, it becomes a form
/// of type result.
///
/// A stanza without a form is rejected with bad-request, and a form that does not fit `T` with
/// not-acceptable and the name of the field.
///
/// ```
/// use campanile::form::Form;
/// use campanile::router::Router;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Order { sku: String, count: u32 }
///
/// async fn order(Form(order): Form<Order>) -> String {
///     format!("{} × {}", order.count, order.sku)
/// }
///
/// let router: Router = Router::new().message_with(("jabber:x:data", "x"), order);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// The values entered in the previous steps of a command.
#[derive(Debug, Clone)]
pub(crate) struct Gathered(pub(crate) Vec<Field>);

impl<S, T: DeserializeOwned + 'static> FromInbound<S> for Form<T> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        if let Some(Gathered(fields)) = inbound.extensions().get() {
            return Ok(Self(read(fields)?));
        }
        let form = find(inbound.stanza())?;
        if form.type_ != DataFormType::Submit {
            return Err(FormError::new("was not submitted").into());
        }
        Ok(Self(read(&form.fields)?))
    }
}

impl<T: Serialize> IntoReply for Form<T> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let fields = write(&self.0)?;
        DataForm {
            type_: DataFormType::Result_,
            title: None,
            instructions: None,
            fields,
        }
        .into_reply()
    }
}

impl IntoReply for DataForm {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&element(&self)?)?)
    }
}

impl IntoReply for Table {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&self)?)
    }
}

impl From<FormError> for Rejection {
    fn from(error: FormError) -> Self {
        Self::invalid(
            StanzaError::new(Condition::NotAcceptable)
                .with_text(error.to_string())
                .with_lang("en"),
        )
    }
}

fn find(stanza: &Stanza) -> Result<DataForm, Rejection> {
    if let Some(form) = stanza.children().find(NS, "x") {
        return Ok(form.parse()?);
    }
    let payload = stanza
        .children()
        .first()
        .filter(|_| stanza.kind().is_request());
    let element = payload.map(|payload| payload.element()).transpose()?;
    match element
        .as_ref()
        .and_then(|element| element.get_child("x", NS))
    {
        Some(form) => DataForm::try_from(form.clone()).map_err(|error| {
            let text = format!("bad element: {error}");
            Rejection::invalid(
                StanzaError::new(Condition::BadRequest)
                    .with_text(text)
                    .with_lang("en"),
            )
        }),
        None => Err(Rejection::missing(
            StanzaError::new(Condition::BadRequest)
                .with_text("no data form (XEP-0004)")
                .with_lang("en"),
        )),
    }
}
