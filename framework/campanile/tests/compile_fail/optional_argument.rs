// An argument that is not an extractor, in an `Option`.
// names: `u32`

use campanile::router::Router;

async fn greet(times: Option<u32>) -> String {
    format!("{times:?}")
}

fn main() {
    let _: Router = Router::new().message(greet);
}
