// A function with seventeen arguments.
// names: `{seventeen}` `sixteen arguments`
use campanile::Router;
use campanile::stanza::Kind;

#[rustfmt::skip]
async fn seventeen(
    _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind,
    _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind, _: Kind,
) {
}

fn main() {
    let _: Router = Router::new().message(seventeen);
}
