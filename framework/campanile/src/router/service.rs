//! The router as a tower service.

use std::task::{Context, Poll};

use tower_service::Service;

use super::chat_command::Candidate;
use super::route::Target;
use super::route_table::{self, Found, RouteTable};
use super::spawn::Call;
use super::{Advertised, Inner, Router, Tier, chat_command, unmatched};
use crate::error::BoxError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::layer::LoopGuardLayer;
use crate::reply::Reply;

impl Inner<()> {
    fn table(&self) -> &RouteTable {
        self.table.get_or_init(|| {
            let commands = self
                .entries
                .iter()
                .filter(|entry| entry.filter.command.is_some());
            let help = chat_command::help(commands.map(Candidate::new));
            // All commands share one loop guard; a router without commands needs none.
            let guard = (!help.is_empty()).then(LoopGuardLayer::new);
            let entries = self.entries.iter().enumerate().map(|(rank, entry)| {
                let call = Call::new(
                    entry.route.target(&()),
                    &entry.filter,
                    entry.spawned,
                    guard.as_ref(),
                );
                route_table::Entry {
                    tier: entry.tier,
                    filter: &entry.filter,
                    rank,
                    call,
                }
            });
            let help = help.iter().map(|(filter, route)| {
                let call = Call::new(Target::Route(route.clone()), filter, false, guard.as_ref());
                route_table::Entry {
                    tier: Tier::Route,
                    filter,
                    rank: self.entries.len(),
                    call,
                }
            });
            let addresses = self.adverts.iter().map(|advert| &advert.recipient);
            RouteTable::new(entries.chain(help), addresses, Advertised::new(self))
        })
    }
}

impl Service<Inbound> for Router<()> {
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        let table = self.inner.table();
        if unmatched::is_bad_request(inbound.stanza()) {
            return ReplyFuture::ready(Err(unmatched::bad_request().into()));
        }
        match table.find(inbound.stanza()) {
            Some(Found::Route(call)) => call.handle(inbound, table.advertised()),
            Some(Found::Annotation(call)) => {
                inbound.called_route().ignore_body();
                call.handle(inbound, table.advertised())
            }
            None => ReplyFuture::ready(unmatched::answer(table, &inbound)),
        }
    }
}
