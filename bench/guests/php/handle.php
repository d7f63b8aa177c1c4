<?php

const PAIR = '/([a-z]+)-([a-z]+)/';

function handle(string $input): array
{
    $order = json_decode($input, true, flags: JSON_THROW_ON_ERROR);
    $order['symbol'] = preg_replace_callback(PAIR, fn($m) => strtoupper($m[1]) . '/' . strtoupper($m[2]), $order['symbol']);
    $order['quantity'] = array_sum(array_column($order['fills'], 1));
    return $order;
}
