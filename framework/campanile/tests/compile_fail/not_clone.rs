// A closure that captures a value that is not `Clone`.
// names: `Shelf`

use campanile::router::Router;

struct Shelf;

impl Shelf {
    fn count(&self) -> String {
        "none".to_owned()
    }
}

fn main() {
    let shelf = Shelf;
    let count = move || std::future::ready(shelf.count());
    let _: Router = Router::new().message(count);
}
