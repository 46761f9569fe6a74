// An error type that does not implement `Error`.
// names: `Broken`

use campanile::router::Router;

struct Broken;

async fn count() -> Result<String, Broken> {
    Err(Broken)
}

fn main() {
    let _: Router = Router::new().message(count);
}
