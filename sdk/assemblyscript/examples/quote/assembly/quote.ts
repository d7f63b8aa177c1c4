/** Quote is a sample plugin with typed JSON: an order in, what it costs out. */
import { JSON } from "json-as";
import { OK, config, fail, inputText, write } from "prism";

@json
class Order {
  symbol: string = "";
  quantity: f64 = 0;
  prices: f64[] = [];
}

@json
class Quote {
  constructor(public symbol: string, public cost: f64, public currency: string) {}
}

export function handle(): i32 {
  const order = JSON.parse<Order>(inputText());
  if (!(order.quantity > 0)) return fail("quantity must be above 0");
  let cost = 0.0;
  for (let i = 0; i < order.prices.length; i++) cost += order.quantity * order.prices[i];
  const currency = config("currency");
  write(JSON.stringify(new Quote(order.symbol, cost, currency !== null ? currency : "EUR")));
  return OK;
}
