// A return value that is not a reply, in a `Result`.
// names: `u32`

use campanile::router::Router;

async fn count() -> Result<u32, std::fmt::Error> {
    Ok(7)
}

fn main() {
    let _: Router = Router::new().message(count);
}
