-- guard_open: the guard of a collection before its source is read, and the right to fill it
-- KEYS[1] the collection
-- KEYS[2] its guard
-- KEYS[3] the lease
-- KEYS[4..] the tags
-- ARGV[1] open (only the guard), value (of a key that its guard does not cover), load, or field
-- ARGV[2] the field
-- ARGV[3] token, drawn for this message alone
-- ARGV[4] ms that the lease lasts
-- ARGV[5] ttl of tags in ms, 0 none
-- ARGV[6] 8 bytes for a new guard, drawn for this message alone
-- ARGV[7..] one new stamp a tag, drawn for this message alone; or the stamps, and the guard that counts no more
-- returns {'open', guard} | {'lease', guard} | {'loaded', value} | {'wait', ms, token} | {'stale', guard}
-- writes KEYS[1], KEYS[2]
-- empty {'lease', ARGV[7..] .. ARGV[6]} when ARGV[1] is field
-- empty {'loaded', ''} when ARGV[1] is load
-- empty {'open', ARGV[7..] .. ARGV[6]}
-- @include lib/generation
-- @include lib/mark
local current = stamps(4, #KEYS - 3, ARGV[5], 7)
local found = redis.call('GET', KEYS[2]) or ''
if not alive(found, current) then
  if #KEYS < 4 and ARGV[8] and found ~= '' and found ~= ARGV[8] then return {'stale', found} end
  redis.call('UNLINK', KEYS[2])
  if ARGV[1] ~= 'value' then redis.call('UNLINK', KEYS[1]) end
  found = ''
end
if ARGV[1] == 'load' and loaded(found, current, KEYS[1]) then return {'loaded', ''} end
if ARGV[1] == 'field' then
  local value = redis.call('HGET', KEYS[1], ARGV[2])
  if value then return {'loaded', value} end
end
if ARGV[1] == 'load' or ARGV[1] == 'field' then
  local held = redis.call('GET', KEYS[3])
  if held and not read_mark(held) then return {'wait', redis.call('PTTL', KEYS[3]), held} end
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
end
local mark = found ~= '' and string.sub(found, 1, #current + 8) or current .. ARGV[6]
if string.sub(found, #current + 9) ~= 'E' then
  -- A day: longer than reading any source takes. The next write gives it the ttl of the collection.
  redis.call('SET', KEYS[2], mark .. string.sub(found, #current + 9), 'PX', 86400000)
end
if ARGV[1] == 'load' or ARGV[1] == 'field' then return {'lease', mark} end
return {'open', mark}
