// A payload that does not derive `Payload`.
// names: `Order`

use campanile::extract::Payload;
use campanile::router::Router;

struct Order;

async fn order(_: Payload<Order>) {}

fn main() {
    let _: Router = Router::new().iq_set("urn:example:shelf", order);
}
