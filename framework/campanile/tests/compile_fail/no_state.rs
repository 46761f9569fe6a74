// A component with a router whose state is missing.
// names: `Router<Shelf>`

use campanile::component::Component;
use campanile::extract::State;
use campanile::router::Router;

#[derive(Clone)]
struct Shelf;

async fn count(State(_): State<Shelf>) -> &'static str {
    "none"
}

fn main() {
    let _ = Component::builder("bot.localhost").router(Router::new().message(count));
}
