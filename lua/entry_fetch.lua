-- entry_fetch: look again, and if there is no fresh entry, take the lease, or say how long its owner still has it
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] token, drawn for this message alone
-- ARGV[2] ms that the lease lasts
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4] miss, early (the lease below that much freshness), or force (the lease in any case)
-- ARGV[5] early: ms of freshness, -1 none
-- ARGV[6..] one new stamp a tag, drawn for this message alone
-- returns {'hit', entry, stamps, ttl, 0} | {'lease', entry, stamps, ttl, 0} | {'wait', entry, stamps, ttl, ms}
-- writes leases only
-- empty {'lease', '', ARGV[6..], -2, 0}
-- @include lib/entry
-- @include lib/tags
local current = stamps(3, #KEYS - 2, ARGV[3], 6)
local data = redis.call('GET', KEYS[1])
local left = -2
if data then
  local grace, made = read_entry(data)
  if grace and made == current then
    left = redis.call('PTTL', KEYS[1])
    local soft = left - grace
    local fresh = grace == 0 or left < 0 or soft > 0
    if ARGV[4] == 'early' and left >= 0 and soft < tonumber(ARGV[5]) then fresh = false end
    if fresh and ARGV[4] ~= 'force' then return {'hit', data, current, left, 0} end
  else
    data = false
  end
end
if ARGV[4] == 'force' then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
elseif not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {'wait', data or '', current, left, redis.call('PTTL', KEYS[2])}
end
return {'lease', data or '', current, left, 0}
