//! Ports, files and databases that the daemon opens on this machine.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::diagnostic::Diagnostic;
use crate::build::ModuleSet;
use crate::config::{Admin, Component};
use crate::diagnostics;

/// Timeout of the checks of one module, which may connect to a database.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Checks what the modules of a component need to start.
pub(super) async fn of_modules(settings: &Component) -> Vec<Diagnostic> {
    let set = match ModuleSet::new(settings) {
        Ok(set) => set,
        Err(error) => return vec![Diagnostic::fault(diagnostics::chain(&*error))],
    };
    let mut found = Vec::new();
    for module in set.modules() {
        let name = module.name();
        let why = match timeout(TIMEOUT, module.check()).await {
            Ok(Ok(remarks)) => {
                let note = |remark| Diagnostic::note(format!("{name}: {remark}"));
                found.extend(remarks.into_iter().map(note));
                continue;
            }
            Ok(Err(error)) => diagnostics::chain(&*error),
            Err(_) => format!("no answer within {TIMEOUT:?}"),
        };
        found.push(Diagnostic::fault(format!("{name} cannot start: {why}")));
    }
    found
}

/// Checks that the admin port is free.
pub(super) async fn of_admin(admin: &Admin) -> Option<Diagnostic> {
    let error = TcpListener::bind(admin.listen).await.err()?;
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "; `ss -ltnp` shows the process that uses it",
        _ => "",
    };
    let listen = admin.listen;
    Some(Diagnostic::fault(format!(
        "cannot listen on {listen}: {error}{hint}"
    )))
}
