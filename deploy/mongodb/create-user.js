// The user of the RCA bot: statistics only, no document of any collection.
// mongosh "mongodb://admin@HOST/admin" deploy/mongodb/create-user.js        asks for the new user's password
// In Atlas: Database Access > Add new database user > Specific privileges > clusterMonitor on admin, restricted to the cluster.
const from = ["10.0.0.0/8"]; // the bot's addresses

db.getSiblingDB("admin").createUser({
  user: "rca_bot",
  pwd: passwordPrompt(),
  roles: [{ role: "clusterMonitor", db: "admin" }],
  authenticationRestrictions: [{ clientSource: from }],
});
