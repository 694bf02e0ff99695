// Sends one message as told by a JSON argument; prints what nodemailer was told.
const nodemailer = require("nodemailer");
const job = JSON.parse(process.argv[2]);

nodemailer.createTransport(job.transport).sendMail(job.mail)
	.then((info) => console.log(JSON.stringify({ response: info.response, accepted: info.accepted })))
	.catch((e) => {
		console.log(JSON.stringify({ error: e.message, code: e.code, response: e.response }));
		process.exitCode = 1;
	});
