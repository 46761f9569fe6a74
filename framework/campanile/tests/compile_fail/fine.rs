// Compiles: the other programs do not fail because of the way they are compiled.

use campanile::extract::{Body, Sender, State};
use campanile::router::Router;

async fn greet(
    Sender(who): Sender,
    State(greeting): State<&'static str>,
    body: Option<Body>,
) -> Option<String> {
    Some(format!("{greeting} {who}, {body:?}"))
}

fn main() {
    let _: Router = Router::new().message(greet).with_state("hello");
}
