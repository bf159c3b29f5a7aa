-- entry_fetch: look again, and if there is no fresh entry, take the lease, or say who has it
-- KEYS[1] the entry
-- KEYS[2] its lease
-- KEYS[3..] the tags
-- ARGV[1] token, drawn for this message alone
-- ARGV[2] ms that the lease lasts
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4] miss, early (the lease below that much freshness), or force (the lease in any case)
-- ARGV[5] early: ms of freshness, -1 none
-- ARGV[6] ms past its freshness in which a stale entry serves while the source fails, 0 none
-- ARGV[7..] one new stamp a tag, drawn for this message alone
-- returns {'hit', entry, stamps, ttl, 0, ''} | {'lease', entry, stamps, ttl, failures, ''} | {'wait', entry, stamps, ttl, 0, token} | {'cool', entry, stamps, ttl, ms, ''} | {'alone', entry, stamps, ttl, ms, ''}
-- writes leases only
-- empty {'lease', '', ARGV[7..], -2, 0, ''}
-- @include lib/entry
-- @include lib/mark
-- @include lib/tags
local current = stamps(3, #KEYS - 2, ARGV[3], 7)
-- Of a key that holds no string MGET says nothing; STORE refuses there.
local both = redis.call('MGET', KEYS[1], KEYS[2])
local data, held, mode = both[1], both[2], ARGV[4]
local left, late = -2, nil
if data then
  local grace, made = read_entry(data)
  if grace and made == current then
    left = redis.call('PTTL', KEYS[1])
    local soft = left - grace
    local fresh = grace == 0 or left < 0 or soft > 0
    if not fresh then late = -soft end
    if mode == 'early' and left >= 0 and soft < tonumber(ARGV[5]) then fresh = false end
    if fresh and mode ~= 'force' then return {'hit', data, current, left, 0, ''} end
  else
    data = false
  end
end
local failures, kind, count, cool, life = 0, nil, nil, nil, nil
if held then kind, count, cool, life = read_mark(held) end
if kind then
  -- Who was here before has ended without a result: whoever comes new takes its place, unless that is too soon.
  failures = count
  local ms = cool - life + redis.call('PTTL', KEYS[2])
  if ms > 0 and mode ~= 'force' then
    if mode == 'early' then return {'cool', data or '', current, left, ms, ''} end
    if kind == 'u' then return {'alone', data or '', current, left, ms, ''} end
    if late and late < tonumber(ARGV[6]) then return {'cool', data, current, left, ms, ''} end
  end
elseif held and mode ~= 'force' then
  return {'wait', data or '', current, left, 0, held}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'lease', data or '', current, left, failures, ''}
