export function handle(input) {
  return { symbol: JSON.parse(input).symbol };
}
