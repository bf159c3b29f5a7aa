-- key_copy: make one key a copy of another; a missing source leaves nothing there
-- KEYS[1] the source
-- KEYS[2] the copy, replaced
-- ARGV[1] ttl in ms, 0 none
-- returns {'ok'} | {'missing'}
redis.call('DEL', KEYS[2])
if redis.call('COPY', KEYS[1], KEYS[2]) == 0 then return {'missing'} end
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[2])
else
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return {'ok'}
