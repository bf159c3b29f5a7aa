-- entry_incr: add to the number of an entry; one that is missing or counts no more starts at 0
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] what stands before the stamps of a new entry
-- ARGV[2] ttl in ms, 0 none
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4] channel of those who wait
-- ARGV[5] last or first: which writes arm the ttl
-- ARGV[6] int or float: what is added
-- ARGV[7] how much, as text
-- ARGV[8..] one new stamp a tag, drawn for this message alone
-- returns {'ok', text} | {'text'} | {'range'}
-- @include lib/entry
-- @include lib/tags
-- @include lib/number
local current = stamps(3, #KEYS - 2, ARGV[3], 8)
local there = usable(KEYS[1], current)
local size = there and string.byte(there, 1) == 192 and 18 + #current or 0
local now, head = there and string.sub(there, size + 1) or nil, ARGV[1] .. current
if there then head = string.sub(there, 1, size) end
local kind, result = sum_kind(now, ARGV[6]), nil
if not kind then return {'text'} end
if kind == 'int' then
  -- 64 bits are more than Lua's numbers hold, so the server adds, in place.
  local old = redis.call('GET', KEYS[1])
  redis.call('SET', KEYS[1], now or '0', 'KEEPTTL')
  local sum = redis.pcall('INCRBY', KEYS[1], ARGV[7])
  if type(sum) == 'table' then
    if old then redis.call('SET', KEYS[1], old, 'KEEPTTL') else redis.call('DEL', KEYS[1]) end
    return string.find(tostring(sum.err), 'overflow') and {'range'} or sum
  end
  result = redis.call('GET', KEYS[1])
else
  result = float_sum(now or '0', ARGV[7])
  if not result then return {'range'} end
end
redis.call('DEL', KEYS[2])
if there and (ARGV[5] == 'first' or ARGV[2] == '0') then
  redis.call('SET', KEYS[1], head .. result, 'KEEPTTL')
elseif ARGV[2] == '0' then
  redis.call('SET', KEYS[1], head .. result)
else
  redis.call('SET', KEYS[1], head .. result, 'PX', ARGV[2])
end
redis.call('PUBLISH', ARGV[4], '')
return {'ok', result}
