suppressMessages(library(sva))
set.seed(11)
d <- commandArgs(TRUE)[1]   # Rscript make.R tests/linking/combat
dir.create(d, showWarnings=FALSE)
n <- 33; p <- 40
batch <- rep(c("A","B","C"), c(14,11,8))
age <- round(rnorm(n, 60, 10)); sex <- sample(c("F","M"), n, TRUE)
dat <- matrix(rnorm(p*n, 5, 2), p, n) + outer(rnorm(p), as.numeric(factor(batch))) + outer(rnorm(p,0,.05), age-60)
dat <- dat * outer(rep(1,p), c(1,1.6,0.7)[as.numeric(factor(batch))])
dat[7, batch=="B"] <- 3.25
rownames(dat) <- paste0("f", 1:p)
w <- function(x, name) write.csv(format(t(x), digits=17), file.path(d, name), row.names=FALSE, quote=FALSE)
w(dat, "data.csv"); write.csv(data.frame(batch,age,sex), file.path(d,"subjects.csv"), row.names=FALSE, quote=FALSE)
mod <- model.matrix(~age+sex)
w(ComBat(dat,batch), "plain.csv")
w(ComBat(dat,batch,mod=mod), "covariates.csv")
w(ComBat(dat,batch,mean.only=TRUE), "mean_only.csv")
w(ComBat(dat,batch,mod=mod,mean.only=TRUE), "mean_only_covariates.csv")
w(ComBat(dat,batch,ref.batch="B"), "reference.csv")
w(ComBat(dat,batch,mod=mod,ref.batch="B"), "reference_covariates.csv")
na <- dat; na[cbind(c(1,1,5,12,30),c(2,20,31,7,15))] <- NA
w(na, "data_missing.csv"); w(ComBat(na,batch,mod=mod), "missing.csv")
b1 <- batch; b1[n] <- "D"
w(ComBat(dat,b1), "single.csv")
