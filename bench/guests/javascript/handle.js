const pair = /([a-z]+)-([a-z]+)/g

export function handle(input) {
  const order = JSON.parse(input)
  order.symbol = order.symbol.replace(pair, (_, a, b) => a.toUpperCase() + '/' + b.toUpperCase())
  order.quantity = order.fills.reduce((sum, [, quantity]) => sum + quantity, 0)
  return order
}
