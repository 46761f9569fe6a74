// A function that is not async.
// names: `fn() -> std::string::String {greet}`

use campanile::router::Router;

fn greet() -> String {
    "hi".to_owned()
}

fn main() {
    let _: Router = Router::new().message(greet);
}
