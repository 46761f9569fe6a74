// JSON of a type that does not implement `Deserialize`.
// names: `Order`

use campanile::extract::Json;
use campanile::router::Router;

struct Order;

async fn order(_: Json<Order>) {}

fn main() {
    let _: Router = Router::new().iq_set("urn:xmpp:json:0", order);
}
