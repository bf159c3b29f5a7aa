-- key_commit: put the content that was built under a staging key in the place of the real key
-- KEYS[1] the staging key
-- KEYS[2] the real key
-- ARGV[1] ttl in ms, 0 none
-- returns {'ok'} | {'missing'}
-- writes KEYS[2], KEYS[1]
-- replaces all
-- empty {'ok'}
if redis.call('EXISTS', KEYS[1]) == 0 then return {'missing'} end
redis.call('RENAME', KEYS[1], KEYS[2])
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[2])
else
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return {'ok'}
