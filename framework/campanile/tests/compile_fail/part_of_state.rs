// A part that the state does not contain.
// names: `Shelf` `App`

use campanile::extract::State;
use campanile::router::Router;

#[derive(Clone)]
struct App;

#[derive(Clone)]
struct Shelf;

async fn count(State(_): State<Shelf>) -> &'static str {
    "none"
}

fn main() {
    let _ = Router::<App>::new().message(count);
}
