-- entry_arm: set how long a value that counts stays
-- KEYS[1] the entry
-- KEYS[2..] the tags
-- ARGV[1] ms from now, 0 for ever
-- ARGV[2] set, or renew: never shorten
-- ARGV[3..] where the tags are in other slots: their stamps
-- returns {'ok'} | {'longer'} | {'missing'}
-- writes KEYS[1]
-- empty {'missing'}
-- @include lib/entry
-- @include lib/tags
local data, grace, left = usable(KEYS[1], known(2, 3))
if not data then return {'missing'} end
local ms = tonumber(ARGV[1]) + grace
if ARGV[2] == 'renew' and (left < 0 or (ARGV[1] ~= '0' and left >= ms)) then return {'longer'} end
if ARGV[1] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ms) end
return {'ok'}
