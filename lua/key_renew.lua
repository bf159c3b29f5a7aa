-- key_renew: lengthen the life of a key, never shorten it
-- KEYS[1] the key
-- ARGV[1] ms that the key shall live at least, 0 for ever
-- returns {'ok'} | {'longer'} | {'missing'}
-- writes KEYS[1]
-- empty {'missing'}
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return {'missing'} end
if left == -1 then return {'longer'} end
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif left < tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
else
  return {'longer'}
end
return {'ok'}
