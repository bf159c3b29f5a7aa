-- counter_combine: add, subtract, take the larger or the smaller counts; keep only counts above 0
-- KEYS[1] the counter
-- KEYS[2..] the counter whose counts are taken, instead of the counts in the arguments
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] add, sub, or, and
-- ARGV[4] the most fields that one step may carry
-- ARGV[5] whole: every field of the counter; these: only the fields that the counts name
-- ARGV[6..] field, count, and so on
-- returns {'ok'} | {'text'} | {'range'} | {'big'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/arm
-- @include lib/counts
-- @include lib/keep
local op, most, whole, list, first = ARGV[3], tonumber(ARGV[4]), ARGV[5] == 'whole', ARGV, 6
if KEYS[2] then
  if redis.call('HLEN', KEYS[2]) > most then return {'big'} end
  list, first = redis.call('HGETALL', KEYS[2]), 1
  if not read_pairs(list) then return {'text'} end
end
if whole and redis.call('HLEN', KEYS[1]) > most then return {'big'} end
local now = whole and read_pairs(redis.call('HGETALL', KEYS[1])) or not whole and read_fields(KEYS[1], list, first)
if not now then return {'text'} end
local new, wanted, sums = made(KEYS[1], ARGV[2]), nil, op == 'add' or op == 'sub'
if not sums then
  wanted = merged(op, now, list, first, whole)
else
  local _, failed = add_all(KEYS[1], now, list, first, op)
  if failed then return string.find(tostring(failed.err), 'overflow') and {'range'} or failed end
  wanted = read_fields(KEYS[1], list, first)
  for field, count in pairs(now) do wanted[field] = wanted[field] or count end
end
if keep_positive(KEYS[1], now, wanted, sums) then arm(KEYS[1], ARGV[1], ARGV[2], new) end
return {'ok'}
