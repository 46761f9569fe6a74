//! Requests of moderators, admins and owners of a room.

use jid::BareJid;
use xmpp_parsers::data_forms::{DataForm, DataFormType};

use super::Room;
use crate::client::{FromResult, IqError, IqRequest};
use crate::error::Condition;
use crate::payload::{
    Affiliation, Empty, MucAdmin, MucAdminItem, MucOwner, MucOwnerDestroy, Role, WritePayload,
};

impl Room {
    /// Kicks an occupant. It may enter again. Needs the role of a moderator.
    ///
    /// # Errors
    /// See [`IqError`]; among them: the room refuses ([`IqError::Refused`]), as for all requests to
    /// a room.
    pub async fn kick(&self, nick: &str, reason: Option<&str>) -> Result<(), IqError> {
        self.set_role(nick, Role::None, reason).await
    }

    /// Gives an occupant another role. With [`Role::Visitor`] it loses its voice in a moderated
    /// room, with [`Role::Participant`] it gets it.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn set_role(
        &self,
        nick: &str,
        role: Role,
        reason: Option<&str>,
    ) -> Result<(), IqError> {
        self.change(MucAdminItem {
            nick: Some(nick.to_owned()),
            role: Some(role),
            reason: reason.map(str::to_owned),
            ..MucAdminItem::default()
        })
        .await
    }

    /// Bans a user: it is removed, and may not enter again. Needs the affiliation of an admin.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn ban(&self, user: &BareJid, reason: Option<&str>) -> Result<(), IqError> {
        self.set_affiliation(user, Affiliation::Outcast, reason)
            .await
    }

    /// Gives a user another affiliation, whether it is in the room or not.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn set_affiliation(
        &self,
        user: &BareJid,
        affiliation: Affiliation,
        reason: Option<&str>,
    ) -> Result<(), IqError> {
        self.change(MucAdminItem {
            jid: Some(user.clone().into()),
            affiliation: Some(affiliation),
            reason: reason.map(str::to_owned),
            ..MucAdminItem::default()
        })
        .await
    }

    /// Returns the users that have this affiliation.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn affiliated(&self, affiliation: Affiliation) -> Result<Vec<MucAdminItem>, IqError> {
        let query = MucAdmin {
            items: vec![MucAdminItem {
                affiliation: Some(affiliation),
                ..MucAdminItem::default()
            }],
        };
        let list: MucAdmin = self
            .ask(IqRequest::get(self.jid().clone(), &query)?)
            .await?;
        Ok(list.items)
    }

    /// Returns the form of the room's configuration, with its present values. Needs the affiliation
    /// of an owner.
    ///
    /// # Errors
    /// See [`IqError`]; a room without a form answers `item-not-found`.
    pub async fn configuration(&self) -> Result<DataForm, IqError> {
        let query = MucOwner::default();
        let answer: MucOwner = self
            .ask(IqRequest::get(self.jid().clone(), &query)?)
            .await?;
        answer
            .form
            .ok_or_else(|| IqError::Refused(Condition::ItemNotFound.into()))
    }

    /// Sets the configuration of the room. Fields that the form lacks stay as they are.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn configure(&self, form: DataForm) -> Result<(), IqError> {
        let submit = MucOwner {
            form: Some(DataForm {
                type_: DataFormType::Submit,
                ..form
            }),
            destroy: None,
        };
        self.order(&submit).await
    }

    /// Accepts the default configuration of the service for a room that this component has created,
    /// which is locked until then.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn accept_defaults(&self) -> Result<(), IqError> {
        // XEP-0045 §10.1.2: an empty form.
        let form = DataForm {
            type_: DataFormType::Submit,
            title: None,
            instructions: None,
            fields: Vec::new(),
        };
        self.configure(form).await
    }

    /// Destroys the room. Its occupants learn which room is in its place.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn destroy(
        &self,
        next: Option<&BareJid>,
        reason: Option<&str>,
    ) -> Result<(), IqError> {
        let request = MucOwner {
            form: None,
            destroy: Some(MucOwnerDestroy {
                jid: next.cloned().map(Into::into),
                reason: reason.map(str::to_owned),
            }),
        };
        self.order(&request).await
    }

    async fn change(&self, item: MucAdminItem) -> Result<(), IqError> {
        self.order(&MucAdmin { items: vec![item] }).await
    }

    async fn order(&self, payload: &impl WritePayload) -> Result<(), IqError> {
        let request = IqRequest::set(self.jid().clone(), payload)?;
        self.ask::<Empty>(request).await.map(drop)
    }

    async fn ask<A: FromResult>(&self, request: IqRequest) -> Result<A, IqError> {
        let request = request.with_from(self.own_address().clone());
        let response = self.client.request(request).await?;
        response.parse().map_err(IqError::Answer)
    }
}
