// An argument that is not an extractor.
// names: `u32`

use campanile::extract::Sender;
use campanile::router::Router;

async fn greet(Sender(who): Sender, times: u32) -> String {
    format!("{who}, {times} times")
}

fn main() {
    let _: Router = Router::new().message(greet);
}
