// A router with a state of another type than its handlers require.
// names: `Shelf` `App`

use campanile::extract::State;
use campanile::router::Router;

#[derive(Clone)]
struct Shelf;

#[derive(Clone)]
struct App;

async fn count(State(_): State<Shelf>) -> &'static str {
    "none"
}

fn main() {
    let _: Router = Router::new().message(count).with_state(App);
}
