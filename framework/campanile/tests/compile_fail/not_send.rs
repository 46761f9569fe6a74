// A future that is not `Send`.
// names: `greet` `Rc<i32>`

use std::rc::Rc;

use campanile::router::Router;

async fn greet() -> String {
    let shared = Rc::new(7);
    std::future::ready(()).await;
    shared.to_string()
}

fn main() {
    let _: Router = Router::new().message(greet);
}
